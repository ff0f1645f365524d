"""USDM 4 (CDISC's unified study definitions model) as JSON: a protocol out, and a protocol to start from in."""
