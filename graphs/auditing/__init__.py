"""Audits: errors of compiled graphs against exact values, and what is to blame for them."""
