-- Sign-ups without an Idempotency-Key for wrk, for which a refusal is an answer. Arguments as
-- for signup.lua.
local paths, run, count = {}, "", 0

function init(args)
  for path in string.gmatch(args[1], "[^,]+") do paths[#paths + 1] = path end
  run = args[2]
end

function request()
  count = count + 1
  local body = string.format(
    '{"name":"Gast %d","email":"gast-%d@%s.example.org","seats":1,"answers":{},"terms_accepted":true,"locale":"de"}',
    count, count, run)
  local headers = {
    ["Content-Type"] = "application/json",
  }
  return wrk.format("POST", paths[1 + count % #paths], headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "RESULT %d %d %d %.3f %.3f %.3f\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
