"""What a small script imports before it does anything."""

import argparse
import collections
import datetime
import json
import re

parser = argparse.ArgumentParser()
parser.add_argument("--name", default="guest")
options = parser.parse_args([])
match = re.match(r"(\w)(\w+)", options.name)
day = datetime.date(2025, 8, 9).isoformat()
print(json.dumps({"parts": match.groups(), "day": day, "letters": collections.Counter(options.name)}))
