"""Tests of applications that send mail."""
