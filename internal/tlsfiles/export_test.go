package tlsfiles

// Look is one look at the files.
func (c *Certificates) Look() error { return c.look() }
