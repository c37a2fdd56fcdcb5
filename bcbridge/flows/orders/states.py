"""States as the post writes them: some channels tell a code (NJ), some a name (New Jersey); the ERP gets the code."""

from __future__ import annotations

from collections.abc import Iterator

_US = """
AL Alabama; AK Alaska; AZ Arizona; AR Arkansas; CA California; CO Colorado; CT Connecticut; DE Delaware;
DC District of Columbia; DC Washington DC; DC Washington D.C.; FL Florida; GA Georgia; HI Hawaii; ID Idaho; IL Illinois;
IN Indiana; IA Iowa; KS Kansas; KY Kentucky; LA Louisiana; ME Maine; MD Maryland; MA Massachusetts; MI Michigan;
MN Minnesota; MS Mississippi; MO Missouri; MT Montana; NE Nebraska; NV Nevada; NH New Hampshire; NJ New Jersey;
NM New Mexico; NY New York; NC North Carolina; ND North Dakota; OH Ohio; OK Oklahoma; OR Oregon; PA Pennsylvania;
RI Rhode Island; SC South Carolina; SD South Dakota; TN Tennessee; TX Texas; UT Utah; VT Vermont; VA Virginia;
WA Washington; WV West Virginia; WI Wisconsin; WY Wyoming; AS American Samoa; GU Guam; MP Northern Mariana Islands;
PR Puerto Rico; VI Virgin Islands; VI U.S. Virgin Islands; AA Armed Forces Americas; AE Armed Forces Africa;
AE Armed Forces Canada; AE Armed Forces Europe; AE Armed Forces Middle East; AP Armed Forces Pacific
"""
_CA = """
AB Alberta; BC British Columbia; MB Manitoba; NB New Brunswick; NL Newfoundland and Labrador; NL Newfoundland;
NS Nova Scotia; NT Northwest Territories; NU Nunavut; ON Ontario; PE Prince Edward Island; QC Quebec; QC Québec;
SK Saskatchewan; YT Yukon; YT Yukon Territory
"""
_AU = """
ACT Australian Capital Territory; NSW New South Wales; NT Northern Territory; QLD Queensland; SA South Australia;
TAS Tasmania; VIC Victoria; WA Western Australia
"""


def _codes(said: str) -> Iterator[tuple[str, str]]:
    for entry in said.split(";"):
        code, name = entry.split(maxsplit=1)
        yield name.strip().casefold(), code
        yield code.casefold(), code


STATES = {country: dict(_codes(said)) for country, said in {"US": _US, "CA": _CA, "AU": _AU}.items()}


def state_code(state: str, country: str) -> str:
    """``New Jersey`` in the US as ``NJ``; what is not known, and any other country's, as it is."""
    return STATES.get(country.upper(), {}).get(" ".join(state.casefold().split()), state)
