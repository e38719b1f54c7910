"""Reads a folder of Sigma rules with pySigma and prints {file: Lucene query} as JSON.

Of a file with a correlation, the query is that of the rule that it counts.
"""
import json
import pathlib
import sys

from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

queries = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.yml")):
    text = path.read_text(encoding="utf-8")
    whole = SigmaCollection.from_yaml(text, collect_errors=True)
    wrong = whole.errors + [error for rule in whole.rules for error in rule.errors]
    if wrong:
        sys.exit(f"{path.name}: {wrong}")
    if sum(isinstance(rule, SigmaCorrelationRule) for rule in whole.rules) != text.count("\ncorrelation:"):
        sys.exit(f"{path.name}: its correlation is not read")
    first = SigmaCollection.from_yaml(text.split("\n---\n")[0])
    (rule,) = (rule for rule in first.rules if isinstance(rule, SigmaRule))
    (queries[path.name],) = LuceneBackend().convert_rule(rule)
json.dump(queries, sys.stdout)
