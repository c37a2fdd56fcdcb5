"""The season both servers read: enough variety, true codes, the same every time."""

from __future__ import annotations

from bcbridge.sandbox import catalogue


def test_there_is_a_season_to_sell() -> None:
    assert len(catalogue.STYLES) >= 24
    by_division = [style.division for style in catalogue.STYLES]
    assert set(by_division) == {"WOM", "MEN"}
    assert by_division.count("WOM") > by_division.count("MEN")
    assert {style.label for style in catalogue.STYLES} == {"", "MAIN"}
    assert catalogue.INACTIVE_SKUS


def test_codes_keep_to_the_erps_widths() -> None:
    for style in catalogue.STYLES:
        assert len(style.number) <= 12
        assert len(style.season) <= 5
        assert all(len(colour.code) <= 5 for colour in style.colours)
    assert all(len(shipper.code) <= 3 for shipper in catalogue.SHIPPERS)
    assert len({style.number for style in catalogue.STYLES}) == len(catalogue.STYLES)


def test_every_upc_is_one_skus_alone_and_checks() -> None:
    upcs = [sku.upc for sku in catalogue.SKUS]
    assert len(set(upcs)) == len(upcs) == len(catalogue.SKU_BY_UPC)
    assert all(len(upc) == 12 and upc[-1] == catalogue.check_digit(upc[:-1]) for upc in upcs)
    assert any(upc.startswith("0") for upc in upcs)


def test_the_check_digit_is_gs1s() -> None:
    """The UPC-A of GS1's own example, 614141000036."""
    assert catalogue.check_digit("61414100003") == "6"
