"""What one step of a policy costs with many destinations."""

import random
import statistics
import time

from feedback.director.weights import Member, make_policy

DESTINATIONS = 1000
STEPS = 60


def step_milliseconds(policy_name: str, scheduler: str) -> float:
    """Return the CPU time of one step with many destinations whose utilization is noisy: the median."""
    policy = make_policy(policy_name, scheduler=scheduler)
    chance, weights, took = random.Random(1), {f"rs{n}": 100 for n in range(DESTINATIONS)}, []
    for second in range(STEPS):
        members = {
            name: Member(
                base_weight=100,
                weight=weight,
                utilization=min(1.0, max(0.0, chance.gauss(0.5, 0.1))),
                active_connections=40,
                new_connections=12,
                usable_seconds=300.0,
            )
            for name, weight in weights.items()
        }
        before = time.process_time()
        weights = policy.step(float(second), members)
        took.append(time.process_time() - before)
    return statistics.median(took) * 1000.0
