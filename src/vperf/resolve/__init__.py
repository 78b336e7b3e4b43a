"""The one place where names become values: Scenario -> Deployment.

resolver.py puts it together; card.py, engine.py, model.py and load.py each resolve one part. Not
here: reading files and the Hub (sources/), and any time (speeds/).
"""

from vperf.resolve.resolver import Resolver, deploy, lasting

__all__ = ["Resolver", "deploy", "lasting"]
