"""The API for scripts, public as `reconciler.Client`: every endpoint as a method, with changes in the ledger."""

from reconciler.scripting.client import Client as Client
from reconciler.scripting.client import Customer as Customer
from reconciler.scripting.client import User as User
