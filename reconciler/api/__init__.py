"""
HTTP without any knowledge of customers: the only client that sends; pacing, retries, pages, failures.

A request is a value (`request.Request`); `client.Client.send` returns a `Reply` or raises one of the
`ApiFailed` of `errors`. Only `client` sends. What to do after a failure (`retry`), what a status means
(`faults`), when a request may leave (`limit`, `leaving`) and who asks for the token (`token`) are apart
from it and are tested without a server.
"""
