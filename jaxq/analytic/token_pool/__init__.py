"""Token-based resource pooling (Chen, Chen and Qian, "Incentivizing Resource Pooling")."""
