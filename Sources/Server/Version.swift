/// The software's version, for people; what decides whether two members understand each other is in Hello.
public let softwareVersion = "0.1.0"
