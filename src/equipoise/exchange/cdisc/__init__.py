"""CDISC's formats: records as SDTM and ADaM, written as Dataset-JSON, SAS transport files and Define-XML."""
