"""What is kept: two ledgers, their projection into few fixed tables, keys apart, backups that close a fence."""
