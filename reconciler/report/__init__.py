"""
What people read: plans, outcomes, problems and customers, as text and as values for JSON.

Pure functions of values, `progress` apart, which writes to a stream that it is given. Width and color
are parameters; every text from a user or a server passes through `text.visible` here.
"""
