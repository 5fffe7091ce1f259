-- Sign-ups for wrk: every request another person. Arguments: path template or paths separated by
-- commas, a word that makes this run's people its own, and perhaps a pause in milliseconds before
-- each request of a connection.
local paths, run, count = {}, "", 0

function init(args)
  for path in string.gmatch(args[1], "[^,]+") do paths[#paths + 1] = path end
  run = args[2]
  pause = tonumber(args[3])
  if pause then
    delay = function() return pause end
  end
end

function request()
  count = count + 1
  local body = string.format(
    '{"name":"Gast %d","email":"gast-%d@%s.example.org","seats":1,"answers":{},"terms_accepted":true,"locale":"de"}',
    count, count, run)
  local headers = {
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = run .. "-" .. count,
  }
  return wrk.format("POST", paths[1 + count % #paths], headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "RESULT %d %d %d %.3f %.3f %.3f\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
