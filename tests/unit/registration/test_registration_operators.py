"""How the operators' passwords are kept."""

import base64
import hashlib

from services.registration.operators import NOBODY, hash_password, is_password


def test_a_password_is_kept_as_salted_scrypt() -> None:
    one, other = hash_password("geheim"), hash_password("geheim")
    assert one != other
    assert "geheim" not in one
    name, n, r, p, salt, made = one.split("$")
    assert (name, int(n), int(r), int(p)) == ("scrypt", 2**17, 8, 1)
    again = hashlib.scrypt(
        b"geheim", salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=2**28
    )
    assert again == base64.b64decode(made)


def test_a_password_is_known_again() -> None:
    kept = hash_password("geheim")
    assert is_password("geheim", kept)
    for other in ("", "Geheim", "geheim ", "\0geheim", "geheim\ud800"):
        assert not is_password(other, kept)


def test_nobody_has_a_password_that_costs_as_much_to_look_at() -> None:
    for password in ("", "geheim", "\0" * 64):
        assert not is_password(password, NOBODY)
    *how, salt, made = NOBODY.split("$")
    *real, real_salt, real_made = hash_password("geheim").split("$")
    assert (how, len(salt), len(made)) == (real, len(real_salt), len(real_made))
