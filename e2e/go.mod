module hawser.example/websocket/e2e

go 1.26

require hawser.example/websocket v0.0.0

replace hawser.example/websocket => ../
