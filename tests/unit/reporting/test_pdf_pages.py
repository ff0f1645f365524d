"""Pages of the PDF: none of them but the last is left half empty."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise.exchange.ctn0094.read import import_ctn0094
from equipoise.reporting.context import Material
from equipoise.reporting.document import Document, Figure, Heading, Paragraph
from equipoise.reporting.svg import Drawing
from equipoise.reporting.trial_report import build_report

LEAST = 0.6  # of the page's text area, from its head to the last ink


def filled(pdf: bytes, folder: Path) -> list[float]:
    """Of each page: how far down its text area ink reaches, 0 to 1; running head and foot are not looked at."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("needs pdftoppm (poppler) to draw the pages")
    (folder / "report.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "40", "-gray", folder / "report.pdf", folder / "page"], check=True, timeout=120)
    shares = []
    for page in sorted(folder.glob("page*.pgm")):
        kind, size, _, data = page.read_bytes().split(b"\n", 3)
        assert kind == b"P5"
        width, height = map(int, size.split())
        grey = np.frombuffer(data, np.uint8).reshape(height, width)
        body = grey[round(0.09 * height) : round(0.925 * height)]
        inked = np.flatnonzero((body < 200).any(axis=1))
        shares.append((inked.max() + 1) / body.shape[0] if inked.size else 0.0)
    return shares


def test_a_page_without_text_is_seen_to_be_empty(tmp_path: Path):
    tall = Drawing(alt="A tall figure", width=600, height=750)
    tall.rect(0, 0, 600, 750, fill="ink")
    blocks = [Paragraph("One line."), Figure("Tall", tall), Heading("Next"), Paragraph("Another line. " * 900)]
    assert min(filled(Document("A report", tuple(blocks)).to_pdf(), tmp_path)[:-1]) > LEAST
    assert filled(Document("A report", (Paragraph("One line."),)).to_pdf(), tmp_path / ".")[0] < LEAST


def test_pages_of_the_flagship(material: Material, tmp_path: Path):
    document = build_report(material.protocol, material.records, material.results)
    shares = filled(document.to_pdf(), tmp_path)
    assert len(shares) > 10
    assert min(shares[:-1]) > LEAST, shares


def test_pages_of_xbot(shared_data: Path, tmp_path: Path):
    protocol = equipoise.read_protocol("xbot")
    records = import_ctn0094(shared_data / "ctn0094", 51, protocol_hash=protocol.hash)
    document = build_report(protocol, records, equipoise.analyse(protocol, records))
    shares = filled(document.to_pdf(), tmp_path)
    assert len(shares) > 10
    assert min(shares[:-1]) > LEAST, shares
