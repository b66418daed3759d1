from reconciler.scripting.client import Client as Client
from reconciler.scripting.values import Customer as Customer
from reconciler.scripting.values import User as User
