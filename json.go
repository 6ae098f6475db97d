package websocket

import "encoding/json"

// ReadJSON reads the next message, text or binary, and decodes it into v with [encoding/json]. If it is not JSON, or
// not what v takes, json's error comes back and the connection stays usable. All other rules are those of
// [Conn.ReadMessage].
func (c *Conn) ReadJSON(v any) error {
	if err := c.startReading(); err != nil {
		return err
	}
	defer c.stopReading()
	if _, err := c.awaitMessage(); err != nil {
		return err
	}
	buf := getBuffer(mediumPool) // not before there is something to put into it
	defer buf.free()
	_, p, err := c.appendMessage(buf.b)
	if err != nil {
		return err
	}
	return json.Unmarshal(p, v)
}

// WriteJSON encodes v with [encoding/json] and sends it as one text message. If v cannot be encoded json's error comes
// back and nothing is sent. All other rules are those of [Conn.WriteMessage].
func (c *Conn) WriteJSON(v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, p)
}
