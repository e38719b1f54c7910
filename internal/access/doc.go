// Package access decides which requests are answered, and who reads: by which host one
// may ask, whom another site sends, whose token or session it is, and of which
// repositories that one may read. Searches are narrowed to them.
//
// It imports identity, problem and query.
package access
