"""Learning-rate schedules; users find them in ``tinytorch.optim.lr_scheduler``."""
