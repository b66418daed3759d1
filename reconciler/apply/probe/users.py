"""What users' e-mails and payment methods are like."""

from __future__ import annotations

from reconciler.answers import NO, YES, Question
from reconciler.api.request import Request
from reconciler.apply.probe.asking import Asking, Said
from reconciler.apply.probe.values import DOMAIN
from reconciler.kinds.wire import payment_methods_path, read_user, users_path
from reconciler.model import Action


async def add(asking: Asking) -> None:
    """Add a user, again, and in lower case; answer what that tells: three requests at most."""
    email = f"User.{asking.mark}@{DOMAIN}"
    said = await _create(asking, email)
    if said.refused is not None:
        for question in (Question.EMAIL_LOWERED, Question.USER_UNIQUE, Question.USER_CASE):
            asking.answer(question, "", f"no user could be added: {said.words}")
        return
    user = read_user(said.body)
    kept = "" if user is None else user.email
    asking.answer(Question.EMAIL_LOWERED, {email: NO, email.lower(): YES}.get(kept, ""))
    again = await _create(asking, email)
    asking.answer(Question.USER_UNIQUE, "none" if again.refused is None else "refused", again.words)
    if again.refused is None:
        asking.answer(Question.USER_CASE, "", "a second user with one email is taken anyway")
        return
    lower = await _create(asking, email.lower())
    asking.answer(Question.USER_CASE, "counts" if lower.refused is None else "ignored", lower.words)


async def _create(asking: Asking, email: str) -> Said:
    """Add a user to the probe's customer."""
    customer = asking.made[0].live.id
    body = {"email": email, "first_name": "Reconciler", "last_name": "Probe"}
    request = Request("POST", users_path(customer), body=body, repeatable=False)
    return await asking.change(Action.CREATE_USER, request, customer, values=body, email=email)


async def methods(asking: Asking) -> None:
    """Answer what a list of payment methods looks like: one request."""
    said = await asking.read(payment_methods_path(asking.made[0].live.id))
    found = YES if isinstance(said.body, list) else NO if isinstance(said.body, dict) else ""
    asking.answer(Question.METHODS_BARE, found, said.words)
