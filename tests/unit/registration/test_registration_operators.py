"""How the operators' passwords are kept."""

import base64
import hashlib

from services.registration.operators import hash_password


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
