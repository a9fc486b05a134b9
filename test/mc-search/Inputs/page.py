"""page.py PAGE: the page asks for nothing from elsewhere and runs nothing; its pictures are well-formed.
Prints what is in it."""
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

page = Path(sys.argv[1]).read_text()
for bad in ("<script", "<link", "src=", "href=", "@import", "url("):
    if bad in page:
        sys.exit(f"the page has {bad}")
for picture in re.findall(r"<svg.*?</svg>", page, re.S):
    svg = ET.fromstring(picture)
    count = {}
    for e in svg.iter():
        kind = e.tag.split("}")[1] + ("." + " ".join(e.get("class").split()) if e.get("class") else "")
        count[kind] = count.get(kind, 0) + 1
    print("picture", " ".join(f"{k}:{n}" for k, n in sorted(count.items())))
