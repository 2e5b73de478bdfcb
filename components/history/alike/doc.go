// Package alike has no code of its own. Its tests hold the history over every
// store, and over the model of one, to the same answers: the same readings go to
// all of them, late, repeated and out of order, and then the same questions.
package alike
