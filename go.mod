module hawser.example/websocket

go 1.26
