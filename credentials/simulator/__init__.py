"""One local server that behaves as all 15 providers do, for tests, benchmarks and the demo.

It imports nothing of the rest of Lanyard, so that what it verifies (PKCE, HMAC, OAuth 1.0a, JWT) and what it
answers is decided a second time, from the providers' documentation, and not by the code that it tests.

**Addresses.** A call to `https://HOST/PATH` arrives as `http://127.0.0.1:PORT/HOST/PATH`. Signatures are
checked against the original https address. Hosts that no provider has get 404 in plain text.

**Who may in.** OAuth apps and credentials are registered as the documents that Lanyard imports: those of
`cast.py` at the start, others with POST /_control/credentials. Nothing else is accepted.

**Failures** are chosen in two ways:

- *By the secret*: a refresh token, key, password, client secret or NetSuite token id that contains
  `-sim-NAME-`, or ends with `-sim-NAME`, need not be registered and always gets the answer NAME: the name of
  a file in `answers/PROVIDER/`, or a code such as `revoked`, which stands for the provider's first file with
  that code, or a behaviour of `faults.py` such as `hang`. What the API answers is given to the call that
  follows, with the token that the token endpoint hands out for it. At GitHub, where no customer has a secret,
  an installation id is chosen: see `github.INSTALLATIONS`.
- *By the control endpoint*, see `control.py`, for one provider, account, token, host or path, so many times.

`answers/` holds the recorded answers, see `answers.py`.
"""
