// Package ecosystem says when two names mean one package and which of two
// versions is the later one, by the rules of the ecosystem that the package
// belongs to: npm, PyPI, Go, Maven, crates.io, RubyGems, NuGet, Packagist, Hex,
// Pub, Swift, CocoaPods, Hackage, CRAN, and the packages of Debian, Alpine and the distributions that use RPM.
//
// Where that cannot be told, it says so and does not guess. Nothing here does
// I/O or keeps state.
package ecosystem
