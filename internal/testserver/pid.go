package testserver

// PID is the number of the running process, for whoever measures what it takes.
func (s *InfluxServer) PID() int { return s.run.running.Pid }
