"""Product types of a till, made readable: "FRZN SS PREMIUM ENTREES/DNRS/T" is no prose."""

from __future__ import annotations

import re

_WIDTH = 30  # the till cuts names here
_SPELLED: dict[str, str] = {
    "ACCESS": "accessories", "ACCES": "accessories", "BEERALEMALT": "beer, ale, malt",
    "BEV": "beverage", "BKD": "baked", "BLK": "bulk", "BN": "beans", "BR": "bread",
    "BRD": "bread", "BRDS": "breads", "BRST": "breast", "BRKFST": "breakfast", "BTH": "bath",
    "BTL": "bottle", "BTLS": "bottles", "BTR": "butter", "BX": "box", "CARB": "carbonated",
    "CHIX": "chicken", "CHP": "chip", "CHS": "cheese", "CKTLS": "cocktails", "CKYS": "cookies",
    "CLEANG": "cleaning", "CND": "canned", "CNDY": "candy", "CNTRL": "control", "COFF": "coffee",
    "CONC": "concentrate", "COOKNG": "cooking", "CRBNTD": "carbonated", "CRKR": "crackers",
    "CRMD": "creamed", "DNR": "dinner", "DNRS": "dinners", "DPS": "dips", "DRNK": "drink",
    "DRNKS": "drinks", "DRNKNG": "drinking", "DRSNG": "dressing", "DSH": "dish",
    "FD": "food", "FDS": "foods", "FEM": "feminine", "FLNK": "flank", "FLV": "flavor",
    "FLVR": "flavor", "FLVRD": "flavored", "FRD": "fried", "FRZ": "frozen", "FRZN": "frozen",
    "GDS": "goods", "GNGR": "ginger", "GRND": "ground", "HBC": "health and beauty",
    "HNGRS": "hangers", "HYGN": "hygiene", "JCE": "juice", "LNCHMT": "lunch meat",
    "LRG": "large", "LSS": "less", "MFG": "manufacturer", "MISC": "miscellaneous", "MLK": "milk",
    "MLT": "malt", "MNRL": "mineral", "MXS": "mixes", "MX": "mix", "NT": "nut",
    "NTRTNL": "nutritional", "ORGNC": "organic", "PK": "pack", "PKG": "packaged",
    "PCKGD": "packaged", "PKGD": "packaged", "PKLD": "pickled", "PLSTC": "plastic",
    "PNCH": "punch", "PNT": "peanut", "PPK": "prepacked", "PREM": "premium", "PREP": "prepared",
    "PROD": "produce", "PRPCK": "prepacked", "PRSLC": "presliced", "PWDR": "powder",
    "PWDRS": "powders", "REFRIG": "refrigerated", "REFRGRATD": "refrigerated", "SAL": "salad",
    "SALD": "salad", "SBT": "substitute", "SFT": "soft", "SGL": "single", "SHERBTS": "sherbets",
    "SHLDR": "shoulder", "SHLFSH": "shellfish", "SHNK": "shank", "SLC": "sliced", "SLD": "salad",
    "SNDWCH": "sandwich", "SNGL": "single", "SNKS": "snacks", "SPEC": "specialty",
    "SPLY": "supplies", "SPRD": "spread", "SPT": "sport", "SRV": "serve",
    "STRP": "strip", "STW": "stew", "SUPP": "supplements", "SWEETNERS": "sweeteners",
    "SWT": "sweet", "SYSTM": "system", "THN": "than", "TISS": "tissue", "TRSH": "trash",
    "VEG": "vegetable", "WHL": "whole", "WHLSM": "wholesome", "WTR": "water", "LTR": "liter",
}  # fmt: skip
_ACRONYMS = frozenset(
    ["BBQ", "CD", "CDS", "DVD", "DVDS", "IQF", "MLB", "NBA", "NFL", "NZ", "SPF", "TV", "USA", "VHS"]
)
_PHRASES = {
    "SV BEV": "service beverage", "SW GDS": "sweet goods", "FRE BRD": "French bread",
    "BG": "bag", "SS PREMIUM": "single serve premium", "SS ECONOMY": "single serve economy",
    "SS REGULAR": "single serve regular", "DRUG GM": "drugstore", "GM MERCH EXP": "merchandise",
    "CNTRL/STORE SUP": "store supplies", "CHARITABLE CONT": "charity",
    "PROD-WHS SALES": "warehouse sales", "ELECT &PLUMBING": "electrical and plumbing",
    "NON RX": "non-prescription", "SOLID/STK": "solid/stick", "NUT SUPP": "nutritional supplements",
    "PNUT": "peanut", "MISC.": "miscellaneous", "MEAT-PCKGD": "packaged meat",
    "SEAFOOD-PCKGD": "packaged seafood", "SEAFOOD-FRE-": "fresh seafood, ",
    "SEAFOOD-FRZ-": "frozen seafood, ",
}  # fmt: skip
# Types that say how, not what: the category has to say what.
_BARE = frozenset((
    "ASSORTED", "BULK", "CHOICE", "COLD", "ECONOMY", "EVERYDAY", "FROZEN", "GOURMET", "HOT",
    "IMPORTED", "LIQUID", "MAINSTREAM", "MISC", "MISCELLANEOUS", "NATURAL", "ORGANIC",
    "OTHER", "PREMIUM", "PRIMAL", "PRIVATE LABEL", "REFRIGERATED", "REGULAR", "SEASONAL",
    "SELECT", "SPECIALTY", "STANDARD", "SUPER PREMIUM", "TRADITIONAL", "VALUE",
))  # fmt: skip


def spoken(name: str) -> str:
    """Lower-case, abbreviations spelled out: "REFRGRATD DRNKS" -> "refrigerated drinks"."""
    text = " ".join(name.split())
    for phrase, meaning in _PHRASES.items():
        end = "(?![A-Z])" if phrase[-1].isalpha() else ""
        text = re.sub(rf"(?<![A-Z]){re.escape(phrase)}{end}", meaning, text)
    text = re.sub(r"\bW/O\b", "without", text)
    text = re.sub(r"\bW/(?=\s|[A-Z])", "with ", text)

    def word(found: re.Match[str]) -> str:
        letters = found[0]
        if letters in _ACRONYMS:
            return letters
        return _SPELLED.get(letters, letters.lower() if letters.isupper() else letters)

    text = re.sub(r"(?<![A-Za-z])[A-Z]+(?:'[A-Z]+)?(?![a-z])", word, text)
    text = re.sub(r"(\w)&(\w)", r"\1 & \2", text)
    text = re.sub(r"\s*[:]\s*|\s+-\s*|\s*-\s+", ", ", text)
    return re.sub(r"\s+", " ", text).strip(" ,-/")


def slug(name: str) -> str:
    """An id without spaces, distinct for distinct product types."""
    text = name.lower().replace("<", " under ").replace(">", " over ")
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def product_title(product_type: str, category: str) -> str:
    """In title case; a bare "PREMIUM" borrows from its category: "Ice cream, premium"."""
    title = spoken(_uncut(product_type))
    if product_type.strip() in _BARE and category and category != product_type:
        title = f"{spoken(category.split('/')[0])}, {title}"
    return title[:1].upper() + title[1:]


def _uncut(name: str) -> str:
    text = re.sub(r"\bINCL\w*$", "", name.strip())
    if text.count("(") > text.count(")"):
        text = text[: text.rindex("(")]
    elif len(text) >= _WIDTH - 1:
        head, tail = text[: _last_break(text)], text[_last_break(text) + 1 :]
        if len(tail) <= 3 and head:
            text = head
    return text.rstrip(" -/&,:<(=") or name


def _last_break(text: str) -> int:
    return max(text.rfind(" "), text.rfind("/"), text.rfind("-"))
