package gate

// AsksFor returns the services for which people are asked for an approval.
func AsksFor(d Permission) []string {
	if d.request == nil {
		return nil
	}
	return d.request.Services
}
