// Package address reads where a repository or a page of it lies, as people, programs and
// Git write it, and names the repository: all spellings of one give one name.
//
// Hooks read the remotes of a work tree at each call of a tool: the package imports the
// standard library alone, and compiles no expression.
package address
