"""`make simulate-day`: a day whose fleet follows the scheduler's target, in virtual time."""

from bench.simulation.day import Day, DaySimulation, describe

if __name__ == "__main__":
    for line in describe(DaySimulation(Day()).run()):
        print(line)
