"""Pipeline connector: sales pipelines in, KPI values that HR can pay on out."""

__version__ = "0.1.0"
