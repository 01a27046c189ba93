// SPDX-License-Identifier: Apache-2.0

package xmpptest

import "strings"

// A Scene is a part of a play that is performed by itself, on a server of its own.
type Scene struct {
	Title string // "" where the play has no scenes
	Over  string // the transports over which it is to be performed, such as "TLS, WebSocket"; "" if it does not say
	Text  string // its lines, with empty ones for all that come before, so that they keep their numbers
}

// titleMark begins the line with a scene's title.
const titleMark = "== "

// overMark begins the line with a scene's transports.
const overMark = "on "

// Scenes cuts the text of a play into its scenes: each begins with a line "== Its title". A line "on each
// transport", or "on TLS, WebSocket", below that has it performed over several transports. A play without titles is one scene. What comes before the first
// title is for readers.
func Scenes(text string) []Scene {
	var scenes []Scene
	var lines []string
	title, over := "", ""
	end := func() {
		if title != "" {
			scenes = append(scenes, Scene{title, over, strings.Join(lines, "\n")})
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, titleMark); ok {
			end()
			title, over, lines = strings.TrimSpace(name), "", make([]string, i)
			line = ""
		} else if list, ok := strings.CutPrefix(line, overMark); ok && title != "" {
			over, line = strings.TrimSpace(list), ""
		}
		lines = append(lines, line)
	}
	if title == "" {
		return []Scene{{Text: text}}
	}
	end()
	return scenes
}

// An Index is what can be referred to in a play: its titles, and its comments, those on lines next to each other being
// one.
type Index struct{ titles, comments []string }

// IndexOf reads the text of a play.
func IndexOf(text string) Index {
	var x Index
	comment := ""
	for line := range strings.SplitSeq(text+"\n", "\n") {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			comment = strings.TrimSpace(comment + " " + strings.TrimSpace(s))
			continue
		}
		if comment != "" {
			x.comments = append(x.comments, comment)
		}
		comment = ""
		if s, ok := strings.CutPrefix(line, titleMark); ok {
			x.titles = append(x.titles, strings.TrimSpace(s))
		}
	}
	return x
}

// Has reports whether there is such a title, or a comment that begins like that. "" is a play that has no titles.
func (x Index) Has(title string) bool {
	if title == "" {
		return len(x.titles) == 0
	}
	for _, t := range x.titles {
		if t == title {
			return true
		}
	}
	for _, c := range x.comments {
		if strings.HasPrefix(c, title) {
			return true
		}
	}
	return false
}
