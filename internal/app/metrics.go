// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// measure names all that the server counts: the one list of its metrics. doc/metrics.md is made from it.
func (s *server) measure(version string) *metrics.Registry {
	r := metrics.NewRegistry(version)

	clients := s.clients.Counters()
	r.Gauge("kith_c2s_connections", "Connections of clients that are open, logged in or not.",
		func() float64 { return float64(clients.Open.Value()) })
	r.Vec("kith_c2s_connections_total", "Connections of clients that were taken in.", &clients.Connections, "transport")
	r.Vec("kith_c2s_refused_total", "Connections of clients that were cut before they said anything: too many of one "+
		"address, too many in all, or TLS that failed.", &clients.Refused, "reason")
	r.Vec("kith_c2s_logins_total", "Log-ins, by mechanism of SASL and outcome: success, or the condition they failed with.",
		&clients.Logins, "mechanism", "outcome")
	r.Counter("kith_c2s_throttled_total", "Failed log-ins that were answered late, since there had been many.", &clients.Throttled)
	r.Vec("kith_c2s_stream_errors_total", "Streams of clients that the server ended with an error, by its condition.",
		&clients.StreamErrors, "condition")

	r.Gauges("kith_router_sessions", "Sessions: apps and windows that are logged in, awake, or asleep between two connections.",
		"state", func(give func(float64, string)) {
			awake, asleep := s.router.Census()
			give(float64(awake), "awake")
			give(float64(asleep), "asleep")
		})
	r.Vec("kith_router_stanzas_total", "Stanzas that accounts here sent (outbound) or were sent (inbound), by kind.",
		&s.traffic.stanzas, "direction", "kind")
	r.Counter("kith_router_recorded_total", "Messages of accounts here that were recorded.", &s.traffic.recorded)
	r.Counter("kith_router_delivered_total", "Messages that went to one device or more at once.", &s.traffic.delivered)
	r.Counter("kith_router_waiting_total", "Messages that began to wait for a device, some of them after a device had lost them.",
		&s.traffic.waiting)

	store := s.db.Counters()
	r.Counter("kith_db_committed_total", "Acts of the store that were committed.", &store.Committed)
	r.Counter("kith_db_refused_total", "Acts of the store that failed by themselves, and left no trace.", &store.Refused)
	r.Counter("kith_db_failed_total", "Acts of the store whose commit failed: the disk is full or broken.", &store.Failed)
	r.Histogram("kith_db_batch_acts", "How many acts share a transaction.", store.Batch)
	r.Histogram("kith_db_commit_seconds", "How long a transaction takes, from its beginning to the end of its commit.", store.Commit)
	r.Gauge("kith_db_queue_acts", "Acts that wait for the store.", func() float64 { return float64(s.db.Queued()) })
	r.Gauge("kith_db_wal_bytes", "Size of the write-ahead log's file.", func() float64 { return float64(s.db.LogSize()) })
	r.Gauge("kith_db_healthy", "1 if the last commit succeeded, else 0.", func() float64 {
		if s.db.Healthy() != nil {
			return 0
		}
		return 1
	})

	r.Counter("kith_invite_redeemed_total", "Uses of invitations.", s.invites.Redeemed())
	r.Vec("kith_report_made_total", "Reports of people to the admins, by reason: spam, abuse or other.", s.reports.Made(), "reason")

	pushes := s.push.Counters()
	r.Gauges("kith_push_registrations", "Devices that are woken by a push service, by kind: web for browsers, xep0357 for other apps.",
		"kind", s.push.Registered)
	r.Vec("kith_push_sent_total", "Pushes that a push service has taken.", &pushes.Sent, "kind")
	r.Vec("kith_push_failed_total", "Pushes that it has not, by reason; what may be taken later is tried again, and counted each time.",
		&pushes.Failed, "kind", "reason")
	r.Vec("kith_push_removed_total", "Devices that are not woken any more, by reason: asked, replaced, evicted, signed-out, "+
		"account, and by the push service gone or refused.", &pushes.Removed, "kind", "reason")

	beside := s.beside.Counters()
	r.Gauge("kith_component_connected", "Programs beside the server that are connected.",
		func() float64 { return float64(beside.Connected.Value()) })
	r.Vec("kith_component_connections_total", "Connections of such programs, by outcome: accepted, refused when there were too "+
		"many, lost, or the condition of the error.", &beside.Connections, "outcome")
	r.Vec("kith_component_stanzas_total", "Stanzas from them (in) and for them (out).", &beside.Stanzas, "direction")
	r.Vec("kith_component_stream_errors_total", "Their streams that the server ended with an error, by its condition.",
		&beside.StreamErrors, "condition")

	files := s.files.Counters()
	r.Vec("kith_upload_slots_total", "Places for files that were asked for, by outcome: given, refused, quota for those who "+
		"have sent much within a day, full for those who keep much here.", &files.Slots, "outcome")
	r.Counter("kith_upload_files_total", "Files that were brought.", &files.Files)
	r.Counter("kith_upload_bytes_total", "Bytes of these.", &files.Bytes)
	r.Counter("kith_upload_removed_total", "Files that were taken from the disk.", &files.Removed)

	web := s.http.Counters()
	r.Vec("kith_httpd_requests_total", "Requests of HTTP that were answered, by route and by class of status; cut is an "+
		"answer that broke off.", &web.Requests, "route", "class")
	r.Vec("kith_httpd_dropped_total", "Connections of HTTP that gave way to others: too many of one address, or in all.",
		&web.Dropped, "reason")
	return r
}

// traffic counts trips. It hangs into the router as features do.
type traffic struct {
	stanzas                      metrics.Vec
	recorded, delivered, waiting metrics.Counter
}

func (c *traffic) install(r *router.Router) {
	for side, direction := range map[router.Side]string{router.Outbound: "outbound", router.Inbound: "inbound"} {
		message, presence, iq := c.stanzas.Of(direction, "message"), c.stanzas.Of(direction, "presence"), c.stanzas.Of(direction, "iq")
		r.OnScreen(side, func(_ context.Context, t *router.Trip) error {
			switch t.Stanza.Kind {
			case stanza.Message:
				message.Inc()
			case stanza.Presence:
				presence.Inc()
			default:
				iq.Inc()
			}
			return nil
		})
		r.OnMessage(side, router.Copy, func(_ context.Context, t *router.Trip) error {
			if t.ArchiveID != 0 && (t.Side == router.Outbound || t.Self) {
				c.recorded.Inc()
			}
			if len(t.Took) > 0 {
				c.delivered.Inc()
			}
			return nil
		})
	}
	r.OnMessage(router.Inbound, router.Missed, func(_ context.Context, t *router.Trip) error {
		if t.Waits {
			c.waiting.Inc()
		}
		return nil
	})
}
