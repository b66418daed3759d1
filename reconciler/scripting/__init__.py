"""The API for scripts, public as `reconciler.Client`: every endpoint as a method, journalled where it changes."""

from reconciler.scripting.client import Client as Client
from reconciler.scripting.values import Customer as Customer
from reconciler.scripting.values import User as User
