"""A customer's users, which can be listed and created only, and its payment methods, which can be read only."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.rules.account import USER_FIELDS, Account, User, add_user, microseconds, show_user
from reconciler.rules.behaviour import Behaviour
from reconciler.rules.customers import found, kept, visible, wrong_texts
from reconciler.rules.replies import Reply, not_found, refusal
from reconciler.rules.words import UserUnique


def create_user(account: Account, ways: Behaviour, customer_id: str, body: Mapping[str, object], now: float) -> Reply:
    """Answer `POST /customers/{id}/users`: 201, 404, 422 for a missing or repeated e-mail."""
    if found(account, ways, customer_id) is None:
        return not_found(ways)
    wrong = wrong_texts(body, USER_FIELDS)
    if not wrong and not body.get("email"):
        wrong = {"email": "is required"}
    if not wrong and _taken(account, ways, customer_id, str(body["email"])):
        wrong = {"email": "is already used"}
    if wrong:
        return refusal(ways, 422, "The user is not valid", wrong)
    fields = {name: kept(ways, name, str(body[name])) for name in USER_FIELDS if body.get(name)}
    user = User(account.next_id("usr_"), microseconds(now), {name: text for name, text in fields.items() if text})
    add_user(account, customer_id, user)
    return Reply(201, show_user(ways, user))


def list_payment_methods(account: Account, ways: Behaviour, customer_id: str, now: float) -> Reply:
    """Answer `GET /customers/{id}/payment-methods`: 200, 404."""
    customer = visible(account, ways, customer_id, now)
    if customer is None:
        return not_found(ways)
    methods = list(account.methods_of(customer))
    return Reply(200, methods if ways.methods_bare else {"data": methods})


def get_payment_method(account: Account, ways: Behaviour, customer_id: str, method_id: str, now: float) -> Reply:
    """Answer `GET /customers/{id}/payment-methods/{payment_method_id}`: 200, 404."""
    customer = visible(account, ways, customer_id, now)
    methods = () if customer is None else account.methods_of(customer)
    return next((Reply(200, one) for one in methods if one.get("id") == method_id), not_found(ways))


def _taken(account: Account, ways: Behaviour, customer_id: str, email: str) -> bool:
    """Say whether a user with `email` is refused; case counts where the behaviour says so."""
    if ways.user_unique is UserUnique.NONE:
        return False
    if ways.user_email_case:
        email = kept(ways, "email", email)
        owners = (
            account.users.values() if ways.user_unique is UserUnique.ACCOUNT else [account.users.get(customer_id, ())]
        )
        return any(user.email == email for users in owners for user in users)
    email = email.casefold()
    if ways.user_unique is UserUnique.ACCOUNT:
        return account.emails.get(email, 0) > 0
    return any(user.email.casefold() == email for user in account.users.get(customer_id, ()))
