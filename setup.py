"""Carry the configuration, ``conf/``, in the wheel as ``harness/conf``; all else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["harness", "harness.*"]), "harness.conf"],
    package_dir={"harness.conf": "conf"},
)
