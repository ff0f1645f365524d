"""Reports: one document model, rendered to one HTML file and to PDF."""
