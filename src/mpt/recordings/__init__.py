"""Movies that this project did not simulate: detections in, tracks out, and the noises they show."""
