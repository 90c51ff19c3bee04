"""Grafana's dashboards as tables of panels, and the JSON that is made of them."""
