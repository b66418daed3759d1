"""Customers and their users: get, create, patch, archive, restore (reference page "Customers")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from reconciler.kinds.kind import CUSTOMER
from reconciler.rules.account import (
    CREATABLE,
    CREATED,
    NOT_FOUND,
    OK,
    PATCHABLE,
    USER_FIELDS,
    Account,
    FieldFault,
    RefusalReason,
    RuleReply,
    StoredCustomer,
    StoredUser,
    add_user,
    microseconds,
    not_found,
    put,
    refusal,
    seen,
    show,
    show_user,
)
from reconciler.rules.behaviour import (
    Behaviour,
    Clears,
    EmailUnique,
    ExternalIds,
    LagOn,
    PatchIdentity,
    Rewrite,
    Synced,
    Unique,
    UserUnique,
)

Body = Mapping[str, object]


def get(account: Account, ways: Behaviour, customer_id: str, now: float) -> RuleReply:
    """Answer `GET /customers/{id}`: the customer as readers see it, or 404."""
    customer = visible(account, ways, customer_id, now)
    return not_found() if customer is None else RuleReply(OK, show(account, ways, customer))


def create(account: Account, ways: Behaviour, body: Body, now: float) -> RuleReply:
    """Answer `POST /customers`: 201, 400 (or 422) for an external_id that is taken, 422 for fields."""
    wrong = wrong_texts(body, CREATABLE)
    wrong |= {name: FieldFault.REQUIRED for name in sorted(ways.required) if name not in wrong and not body.get(name)}
    if wrong:
        return refusal(422, RefusalReason.CUSTOMER_INVALID, fields=wrong)
    fields = {name: kept(ways, name, str(body[name])) for name in CREATABLE if body.get(name)}
    external_id = fields.get(CUSTOMER.identity, "")
    if external_id and _taken(account, ways, external_id):
        return _already_used(ways)
    if fields.get("email") and _customer_email_taken(account, ways, fields["email"]):
        return refusal(ways.unique_status, RefusalReason.EMAIL_TAKEN)
    customer = StoredCustomer(
        account.next_id(), microseconds(now), {name: text for name, text in fields.items() if text}
    )
    return _written(account, ways, customer, now, status=CREATED)


def patch(account: Account, ways: Behaviour, customer_id: str, body: Body, now: float) -> RuleReply:
    """Answer `PATCH /customers/{id}`: 200 with the customer, 404, 422. Fields that it does not know are ignored."""
    customer = found(account, ways, customer_id)
    if customer is None:
        return not_found()
    fixed = [name for name in CREATABLE if name in body and name not in PATCHABLE]
    wrong = wrong_texts(body, PATCHABLE)
    if ways.patch_identity is PatchIdentity.REFUSE:
        wrong |= dict.fromkeys(fixed, FieldFault.FIXED)
    sent = {name: body[name] for name in PATCHABLE if name in body}
    if ways.clears_refused:
        wrong |= {
            name: FieldFault.NOT_CLEARED for name, value in sent.items() if not value and not _clears(ways, value)
        }
    if wrong:
        return refusal(422, RefusalReason.CUSTOMER_INVALID, fields=wrong)
    if "customer_integration_id" in customer.fields and ways.synced is not Synced.TAKE:
        if ways.synced is Synced.REFUSE:
            return refusal(422, RefusalReason.SYNCED)
        sent = {}
    fields = dict(customer.fields)
    for name, value in sent.items():
        if name in ways.ignores or (not value and not _clears(ways, value)):
            continue
        text = kept(ways, name, str(value)) if value else ""
        fields.pop(name, None)
        if text:
            fields[name] = text
    return _written(account, ways, replace(customer, fields=fields), now)


def archive(account: Account, ways: Behaviour, customer_id: str, now: float) -> RuleReply:
    """Answer `DELETE /customers/{id}`: 200 with the customer, 404, and 400 or 500 where invoices are open."""
    customer = account.customers.get(customer_id)
    if customer is None:
        return not_found()
    if customer.archived:
        return _repeated(account, ways, customer, ways.repeated_archive, RefusalReason.ALREADY_ARCHIVED)
    if not ways.invoiced.isdisjoint({customer_id, customer.external_id}):
        return refusal(ways.invoiced_status, RefusalReason.OPEN_INVOICES)
    return _written(account, ways, replace(customer, archived=True), now)


def restore(account: Account, ways: Behaviour, customer_id: str, now: float) -> RuleReply:
    """Answer `POST /customers/{id}/restore`: 200, with the customer or with nothing, 404."""
    customer = account.customers.get(customer_id)
    if customer is None:
        return not_found()
    if not customer.archived:
        reply = _repeated(account, ways, customer, ways.repeated_restore, RefusalReason.NOT_ARCHIVED)
        return reply if ways.restore_replies or not reply.accepted else RuleReply(OK, None)
    others = account.holders.get(customer.external_id, ()) if ways.unique is not Unique.NONE else ()
    if any(one != customer_id and not account.customers[one].archived for one in others):
        return _already_used(ways)
    reply = _written(account, ways, replace(customer, archived=False), now)
    return reply if ways.restore_replies else RuleReply(OK, None)


def found(account: Account, ways: Behaviour, customer_id: str) -> StoredCustomer | None:
    """Return the customer that a patch or a new user means: writes see every write before them."""
    customer = account.customers.get(customer_id)
    return None if customer is None or (customer.archived and not ways.patches_archived) else customer


def visible(account: Account, ways: Behaviour, customer_id: str, now: float) -> StoredCustomer | None:
    """Return the customer that a read by id sees."""
    lag_s = ways.lag_s if ways.lag_on is LagOn.READS else 0.0
    customer = seen(account, customer_id, at_us=microseconds(now), lag_us=microseconds(lag_s))
    return None if customer is None or (customer.archived and not ways.gets_archived) else customer


def wrong_texts(body: Body, names: tuple[str, ...]) -> dict[str, FieldFault]:
    """Return what is wrong with those fields that are neither text nor null."""
    return {name: FieldFault.NOT_TEXT for name in names if not isinstance(body.get(name), str | None)}


def kept(ways: Behaviour, name: str, text: str) -> str:
    """
    Return the text that the server keeps of `text` in the field `name`.

    >>> kept(Behaviour(rewrites=frozenset({Rewrite.TRIM, Rewrite.COUNTRY})), "country", " USA ")
    'US'
    """
    if name == "email" and ways.email_lowered:
        text = text.lower()
    if name == CUSTOMER.identity:
        return _external_id(ways, text)
    if not ways.rewrites:
        return text
    if Rewrite.TRIM in ways.rewrites:
        text = text.strip()
    if name == "country" and Rewrite.COUNTRY in ways.rewrites:
        return "US" if text.upper() in {"USA", "UNITED STATES"} else text
    if name == "ein" and Rewrite.EIN in ways.rewrites:
        return text.replace("-", "")
    if name == "state" and Rewrite.STATE in ways.rewrites:
        return text.upper()
    if name == "street_address" and Rewrite.ADDRESS in ways.rewrites:
        return re.sub(r"\bSt\b\.?", "Street", re.sub(r"\s+", " ", text))
    return text


def _external_id(ways: Behaviour, text: str) -> str:
    """Return the external_id that the server keeps of `text`."""
    match ways.external_ids:
        case ExternalIds.KEPT:
            return text
        case ExternalIds.TRIMMED:
            return text.strip()
        case ExternalIds.LOWERED:
            return text.lower()
    assert_never(ways.external_ids)


def _clears(ways: Behaviour, value: object) -> bool:
    """Say whether `value`, "" or None, empties a field."""
    return ways.clears in ({Clears.NULL, Clears.BOTH} if value is None else {Clears.TEXT, Clears.BOTH})


def _taken(account: Account, ways: Behaviour, external_id: str) -> bool:
    """Say whether a create with `external_id` is refused."""
    holders = account.holders.get(external_id, ())
    if ways.unique is Unique.ACTIVE:
        return any(not account.customers[one].archived for one in holders)
    return ways.unique is Unique.ALL and bool(holders)


def _customer_email_taken(account: Account, ways: Behaviour, email: str) -> bool:
    """Say whether a create with `email` is refused."""
    if ways.email_unique is EmailUnique.NONE:
        return False
    return any(
        one.fields.get("email", "").casefold() == email.casefold()
        for one in account.customers.values()
        if ways.email_unique is EmailUnique.ALL or not one.archived
    )


def _already_used(ways: Behaviour) -> RuleReply:
    """Return the refusal of an external_id that is taken."""
    return refusal(ways.unique_status, RefusalReason.EXTERNAL_ID_TAKEN)


def _repeated(
    account: Account, ways: Behaviour, customer: StoredCustomer, status: int, reason: RefusalReason
) -> RuleReply:
    """Return the answer to what is done already."""
    if status == OK:
        return RuleReply(OK, show(account, ways, customer))
    return not_found() if status == NOT_FOUND else refusal(status, reason)


def _written(account: Account, ways: Behaviour, customer: StoredCustomer, now: float, *, status: int = OK) -> RuleReply:
    """Keep a customer and return it."""
    put(account, customer, at_us=microseconds(now), lag_us=microseconds(ways.lag_s))
    return RuleReply(status, show(account, ways, customer))


def create_user(
    account: Account, ways: Behaviour, customer_id: str, body: Mapping[str, object], now: float
) -> RuleReply:
    """Answer `POST /customers/{id}/users`: 201, 404, 422 for a missing or repeated email."""
    if found(account, ways, customer_id) is None:
        return not_found()
    wrong = wrong_texts(body, USER_FIELDS)
    if not wrong and not body.get("email"):
        wrong = {"email": FieldFault.REQUIRED}
    if not wrong and _email_taken(account, ways, customer_id, str(body["email"])):
        wrong = {"email": FieldFault.TAKEN}
    if wrong:
        return refusal(422, RefusalReason.USER_INVALID, fields=wrong)
    fields = {name: kept(ways, name, str(body[name])) for name in USER_FIELDS if body.get(name)}
    user = StoredUser(account.next_id(), microseconds(now), {name: text for name, text in fields.items() if text})
    add_user(account, customer_id, user)
    return RuleReply(201, show_user(ways, user))


def list_payment_methods(account: Account, ways: Behaviour, customer_id: str, now: float) -> RuleReply:
    """Answer `GET /customers/{id}/payment-methods`: 200, 404."""
    customer = visible(account, ways, customer_id, now)
    if customer is None:
        return not_found()
    methods = list(account.methods_of(customer))
    return RuleReply(200, methods if ways.methods_bare else {"data": methods})


def get_payment_method(account: Account, ways: Behaviour, customer_id: str, method_id: str, now: float) -> RuleReply:
    """Answer `GET /customers/{id}/payment-methods/{payment_method_id}`: 200, 404."""
    customer = visible(account, ways, customer_id, now)
    methods = () if customer is None else account.methods_of(customer)
    return next((RuleReply(200, one) for one in methods if one.get("id") == method_id), not_found())


def _email_taken(account: Account, ways: Behaviour, customer_id: str, email: str) -> bool:
    """Say whether a user with `email` is refused; case counts where the server counts it."""
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
