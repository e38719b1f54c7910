package schemas

// Verbatim reports whether a value in the data of an event is kept byte for byte, although it may
// contain secrets: the content of a report, whose digest is evidence. path is the names of the
// members that lead to it. All other text is searched for secrets.
func Verbatim(path []string) bool {
	return len(path) >= 2 && path[0] == "report" && path[1] == "content"
}
