"""System-wide safety staffing of tree networks (Hmedi, Arapostathis and Pang, arXiv 2009.01942).

Classes i and pools j are indices from 0; messages count them from 1. ``service_rates`` is mu, shape (I, J), 1/time, 0
where a pool does not serve a class; the classes and pools with mu_ij > 0 as edges must be a tree.
"""
