"""graphrec: graph-based recommendations that stay right as events arrive.

Importing this package never imports torch.
"""

__version__ = "0.1.0"
