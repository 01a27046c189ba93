// SPDX-License-Identifier: Apache-2.0

// Package examples plays the examples of specifications against the program, word for word: XEP-0386, XEP-0388, XEP-0480 and
// XEP-0484, which are about logging in, XEP-0490 and XEP-0494. The client is one of its own, for Node.js; it shares no code
// with the server, with the clients of other tests or with the app, so that what two of them might have misread alike shows
// here.
//
// The files xep-NNNN.txt hold the XML of the examples as it stands in the specifications, and lines of ours between,
// which begin with "% ":
//
//	% count 6                     the specification has that many examples
//	% example 4. Title            what follows is from there, until "between", the next example or the next play
//	% none: why                   there is nothing to play: the mechanism is made up, say
//	% play a token                a connection of its own begins; an example stands in the play that it is part of
//	% between                     what follows is needed to get to the next example, and stands in none
//	% client                      the client says what follows. What it has to compute (initial responses, responses,
//	                              hashes, the id of a stream), or the server has named (clients), is put in its place,
//	                              and comments are left out; nothing else is changed
//	% client romeo                the same, by a connection of another account's
//	% adds <element/>: why        but for this, at the end of a request that would else not be complete
//	% server                      the server says what follows; "% server romeo", to him
//	% differs path/of/it: why     but not this
//	% more path/of/it: why        and this besides
//	% reads `this` as `that`: why  what follows is not as it stands there: it is not XML, or its address is elsewhere
//	% cut                         the play ends with a broken connection
//	%% …                          a comment
//
// The server is held to the names, namespaces, attributes, values and order of what it says in an example. Values which
// are another each time have to look right, and the proofs in them to be right; lists, such as the stream features, may
// be longer and in another order. An exception that does not apply is an error, so exceptions go away with their
// reasons. Each example has to be in a play, or to say why not.
package examples
