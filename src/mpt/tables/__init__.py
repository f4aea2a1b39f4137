"""The Parquet tables between the rules: the file format, then a module for each stage."""
