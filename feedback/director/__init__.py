"""The director: checks and reports in, a right IPVS table out."""
